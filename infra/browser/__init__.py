"""What a browser makes of the pages that runs leave: whether anything is wrong with them, and how they look."""
