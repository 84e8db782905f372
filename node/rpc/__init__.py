"""gRPC faces of the node: thin adapters from the wire to the services behind them."""
