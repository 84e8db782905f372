"""A node's configuration: options, reading, writing and reference."""

from node.config.loading import config_from, load_config
from node.config.sections import (
    GrpcSection,
    IngestSection,
    LogSection,
    MetricsSection,
    NodeConfig,
    NodeSection,
    RegistrySection,
    StoreSection,
    TlsSection,
    VersionsSection,
)
from node.config.writing import config_toml

__all__ = [
    "GrpcSection",
    "IngestSection",
    "LogSection",
    "MetricsSection",
    "NodeConfig",
    "NodeSection",
    "RegistrySection",
    "StoreSection",
    "TlsSection",
    "VersionsSection",
    "config_from",
    "config_toml",
    "load_config",
]
