"""Did the thing one person changed work? Bayesian interrupted time series, gated and traceable."""
