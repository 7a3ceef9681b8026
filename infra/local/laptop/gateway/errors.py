"""An error as AWS's JSON protocol carries it."""


class ServiceError(Exception):
    def __init__(self, code: str, message: str, status: int = 400, **fields: str) -> None:
        super().__init__(message)
        self.status = status
        # Some services spell it `message`, some `Message`.
        self.body = {"__type": code, "message": message, "Message": message, **fields}
