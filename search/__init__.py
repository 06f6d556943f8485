"""Which network, then? Comb, space, search, cut, tune and prove."""
