"""Before every arrow, over HTTP: signing in and out, and a gateway's enrolment."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cloud.describing import problem_answer
from cloud.errors import Refused, invalid
from cloud.people import access, gateways, service
from cloud.people.access import COOKIE, SignedIn

router = APIRouter(prefix="/api/v1", tags=["people"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignIn(_Body):
    """Name and password, or the code of a one-time sign-in."""

    name: str = Field(default="", examples=["duty_engineer"])
    password: str = Field(default="", examples=["correct horse battery"])
    code: str = Field(default="", examples=[""])


class Person(BaseModel):
    """Who is signed in."""

    name: str = Field(examples=["duty_engineer"])
    display_name: str = Field(examples=["Duty engineer"])
    role: str = Field(examples=["engineer"])


class Enrolment(_Body):
    """A gateway and the one-time code that ``plantroom-cloud gateway add`` printed."""

    gateway: str = Field(examples=["gw_1"])
    code: str = Field(examples=["K7QP-2MXW-9RTA-H4CE"])


class Credential(BaseModel):
    """What the gateway sends as bearer credential from now on. It is told once."""

    gateway: str = Field(examples=["gw_1"])
    credential: str = Field(examples=["pX0w…"])


@router.post(
    "/sign-in",
    summary="Start a session: the answer sets its cookie",
    responses={429: problem_answer("Too many wrong tries of this name: wait as long as `Retry-After` says")},
)
async def sign_in(body: SignIn, request: Request, response: Response) -> Person:
    access.check_origin(request)
    state = request.app.state
    if not body.code and not body.name:
        raise invalid("name", "neither a name nor a code was given", "send name and password, or code")
    door = access.door(request)
    token = await (door.by_code(body.code) if body.code else door.by_password(body.name, body.password))
    async with state.database.read() as connection:
        user = await service.user_of(connection, token, state.clock.now_ms())
    access.set_session(response, token, is_secure=request.url.scheme == "https")
    if user is None:
        raise Refused(401, "not_signed_in", "the user was disabled meanwhile", "ask an administrator")
    return Person(name=user.name, display_name=user.display_name, role=user.role)


@router.post("/sign-out", status_code=204, summary="End the session")
async def sign_out(request: Request, response: Response) -> None:
    access.check_origin(request)
    if token := request.cookies.get(COOKIE):
        async with request.app.state.database.write() as connection:
            await service.sign_out(connection, token)
    access.clear_session(response)


@router.get("/me", summary="Who is signed in")
async def me(user: SignedIn) -> Person:
    return Person(name=user.name, display_name=user.display_name, role=user.role)


@router.post("/gateways/enrol", summary="Exchange a one-time code for the gateway's own credential", tags=["gateways"])
async def enrol(body: Enrolment, request: Request) -> Credential:
    state = request.app.state
    async with state.database.write() as connection:
        credential = await gateways.enrol(connection, body.gateway, body.code, state.clock.now_ms(), state.tokens)
    return Credential(gateway=body.gateway, credential=credential)
