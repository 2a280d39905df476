"""One method of attribution in each file; `convscope.see.attribution.registry` lists them."""
