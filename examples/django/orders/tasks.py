from millrace import shared_task

from orders.models import Order

try:
    from django.tasks import task
except ImportError:  # Django below 6
    from django_tasks import task


@shared_task
def send_receipt(number: int) -> str:
    order = Order.objects.get(pk=number)
    order.receipt = f"receipt {number} for {order.customer}"
    order.save(update_fields=["receipt"])
    return order.receipt


@task
def greet(number: int) -> None:
    """A task of Django's own."""
    Order.objects.filter(pk=number).update(greeted=True)


@shared_task
def tidy_up() -> int:
    deleted, _ = Order.objects.filter(customer="").delete()
    return deleted
