from django.db import models


class Order(models.Model):
    customer = models.EmailField()
    receipt = models.CharField(max_length=100, blank=True)
    greeted = models.BooleanField(default=False)
