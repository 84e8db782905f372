"""Object stores: adapters of `guotu.model.ports.ObjectStore`."""
