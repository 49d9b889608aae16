"""What happens: every change goes through here, whether asked for by REST, by git or on a page."""
