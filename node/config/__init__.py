"""A node's configuration: options, reading, writing and reference."""

from node.config.credentials import Credentials, read_credentials
from node.config.loading import config_from, load_config
from node.config.mesh_sections import FederationSection, NodeSection
from node.config.sections import (
    GrpcSection,
    IngestSection,
    LogSection,
    MetricsSection,
    NodeConfig,
    RegistrySection,
    StoreSection,
    TlsSection,
)
from node.config.version_sections import ObjectsSection, ReplicationSection, VersionsSection
from node.config.writing import config_toml

__all__ = [
    "Credentials",
    "FederationSection",
    "GrpcSection",
    "IngestSection",
    "LogSection",
    "MetricsSection",
    "NodeConfig",
    "NodeSection",
    "ObjectsSection",
    "RegistrySection",
    "ReplicationSection",
    "StoreSection",
    "TlsSection",
    "VersionsSection",
    "config_from",
    "config_toml",
    "load_config",
    "read_credentials",
]
