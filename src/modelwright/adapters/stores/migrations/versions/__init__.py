"""One file per migration, oldest first; a file that was released is never changed."""
