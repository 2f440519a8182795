"""The operations of a document, each for itself: what a caller may say, where it goes, what is answered."""
