"""The lessons: what they say, ask and show. Pages in a browser, plain pages and notebooks are views of them."""
