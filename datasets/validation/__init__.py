"""The rules that an episode file is checked by, a file for each thing that can be wrong; ``bodydouble.datasets.validate`` runs them."""
