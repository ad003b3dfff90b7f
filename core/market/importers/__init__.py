"""Reads files of market data as people have them, and puts what is sound into the market folder.

`run.import_paths` is the way in. One module knows one vendor's layouts; `detect` chooses among them by content.
"""
