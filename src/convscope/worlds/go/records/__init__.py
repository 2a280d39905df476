"""Game records: SGF files in any encoding, tables of many games, folders and zips of them."""
