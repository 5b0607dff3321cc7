from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from orders.models import Order
from orders.tasks import greet, send_receipt


@csrf_exempt
@require_POST
@transaction.atomic
def create(request: HttpRequest) -> JsonResponse:
    order = Order.objects.create(customer=request.POST["customer"])
    # Both after the commit: a worker would not find the order before.
    send_receipt.delay_on_commit(order.pk)
    transaction.on_commit(lambda: greet.enqueue(order.pk))
    if "spoil" in request.POST:
        raise ValueError("the customer has changed their mind")
    return JsonResponse({"number": order.pk}, status=201)


def show(request: HttpRequest, number: int) -> JsonResponse:
    order = Order.objects.get(pk=number)
    return JsonResponse({"receipt": order.receipt, "greeted": order.greeted})
