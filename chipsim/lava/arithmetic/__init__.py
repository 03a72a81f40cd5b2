"""chipsim's integer arithmetic in numpy alone, for Lava processes of one's own."""
