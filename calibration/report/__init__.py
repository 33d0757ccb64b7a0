"""The report on a certificate: its numbers, and a page that shows them."""
