"""How the lab's controller and hosts come to trust each other: by the product's own commands."""
