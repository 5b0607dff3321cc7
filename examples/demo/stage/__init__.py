"""What `run.py` needs to put the demo on stage. A project of your own needs none of this."""
