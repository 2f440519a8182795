"""Pages for people with a browser. Everything they load comes from here, nothing from outside."""
