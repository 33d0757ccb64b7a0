"""Calibration jobs: asked for over HTTP, done by a process that serves, resumed by another after a crash."""
