"""From a topology to what one host's kernel should hold: values in, values out."""
