"""What every report is made of: a document, its numbers, its plots, and what shows them."""
