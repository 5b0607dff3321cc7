"""What a module of real tasks imports: here the standard library's part of one that delivers webhooks."""

import base64
import datetime
import hashlib
import hmac
import json
import logging
import urllib.request

__all__ = ["base64", "datetime", "hashlib", "hmac", "json", "logging", "urllib"]
