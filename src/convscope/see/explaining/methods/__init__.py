"""One method of attribution in each file; `convscope.see.explaining.register` lists them."""
