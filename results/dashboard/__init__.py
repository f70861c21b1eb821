"""The live dashboard of a study: ``nas dashboard``."""
