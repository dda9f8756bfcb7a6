"""Square's webhooks: it signs the URL that it calls and the raw body, in base64."""

from lifecycle.http.receiver import ReceiverPort, SignatureFormat

SIGNATURE = SignatureFormat("x-square-hmacsha256-signature", encoding="base64", signs_url=True)
RECEIVER = ReceiverPort(SIGNATURE.gate)
