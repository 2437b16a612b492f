"""Storage under tickets: photos and other attachments, parts and hours, watchers."""
