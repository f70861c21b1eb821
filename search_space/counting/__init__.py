"""How many architectures a search space holds, and whether it holds one."""
