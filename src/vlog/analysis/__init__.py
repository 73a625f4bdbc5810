"""What a log says about its runs. It reads entries; it never imports what writes them."""
