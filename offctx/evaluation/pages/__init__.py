"""A comparison as users read it: sentences, tables and pictures, as plain text, Markdown and HTML."""
