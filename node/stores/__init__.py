"""Where a node's rows live: adapters of the FeatureStore port."""
