"""chipsim: on-chip learning under a chip's integer constraints, counted and priced."""
