"""Work that outlives its call: runs kept in the database, carried out by workers, spread over processes."""
