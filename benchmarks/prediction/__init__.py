"""How well latency tables predict networks that they have not seen, beside FLOPs and sums of isolated layers."""
