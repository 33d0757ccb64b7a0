"""The demo: an invented world, the small model that learns it, and the story that `lethe demo` tells."""
