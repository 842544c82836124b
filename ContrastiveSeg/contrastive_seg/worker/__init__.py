"""The child process that holds the network and the volumes between rounds.

Started as ``python -m contrastive_seg.worker``; takes one JSON command a line on stdin and gives
one JSON event a line on stdout (Docs/worker-protocol.md). It opens no port and starts no process.

Nothing here may import numpy or torch before the reader of stdin runs: a user can press Stop, or
close the application, while torch is still being loaded.
"""
