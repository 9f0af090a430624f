"""The data: contract, sources, simulator, intervention log, daily aggregation."""
