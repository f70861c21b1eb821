"""Options of the recipe of a training, one file each."""
