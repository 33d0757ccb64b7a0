"""`lethe certificate`: show and verify certificates, of calibration and of unlearning; activate the former."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from calibration.certificate import SCHEMA, Certificate
from calibration.explanation import explain
from calibration.issue import verify
from gateway.certificates import activate_certificate, activate_stored, require_servable
from gateway.cli.failures import needing_extra, refusing_bad_input, reporting_failures
from gateway.cli.report import report_command
from gateway.cli.stores import CertificateDatabase, certificate_named, in_store, with_store
from gateway.cli.tables import print_table
from gateway.errors import InvalidInput
from gateway.store.store import Store
from unlearners.certificate import SCHEMA as UNLEARNING_SCHEMA
from unlearners.certificate import DataSeen, UnlearningCertificate
from unlearners.data import Units
from unlearners.explanation import data_words
from unlearners.explanation import explain as explain_unlearning
from unlearners.fields import object_in
from unlearners.promise import NothingPromised
from unlearners.recipe import Value, read_recipe
from unlearners.runs import read_data_key, seen
from unlearners.verification import verify as verify_unlearning
from unlearners.verification import verify_in

__all__ = ["app"]

app = typer.Typer(help="Show, verify and activate certificates.", no_args_is_help=True)
app.command("report")(report_command)

EXIT_UNSOUND = 4
"""The exit code where a certificate does not follow from its own evidence."""

UNLEARNING_FILE = "unlearning.json"
"""The certificate in a directory that an unlearner wrote."""

READ_AS_ROWS = ("langevin", "pcmu")
"""The methods of `lethe train`, whose certificates are about the rows of one file."""

_File = Annotated[
    Path,
    typer.Argument(
        help=f"A certificate file, a directory with the {UNLEARNING_FILE} of an unlearner, or the id of a "
        "certificate in the database."
    ),
]


@app.command()
def show(file: _File, database: CertificateDatabase = None) -> None:
    """Say in words what a certificate promises, about what, and when it ends."""
    with reporting_failures():
        certificate = _read(file, database)
        if isinstance(certificate, UnlearningCertificate):
            typer.echo(explain_unlearning(certificate), nl=False)
        else:
            typer.echo(explain(certificate))


@app.command("verify")
def verify_command(
    file: _File,
    data: Annotated[
        Path | None, typer.Option(help="Compare these rows with those that an unlearner certified, read as below.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="As in `lethe train`. Default: what the directory says.")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="As in `lethe train`.")] = None,
    normalise: Annotated[bool, typer.Option("--normalise", help="As in `lethe train`.")] = False,
    backbone: Annotated[Path | None, typer.Option(help="As in `lethe train`.")] = None,
    database: CertificateDatabase = None,
) -> None:
    """Compute a certificate again from its own evidence."""
    with reporting_failures():
        certificate = _read(file, database)
        if isinstance(certificate, UnlearningCertificate):
            _exit_if_unsound(verify_in(certificate, file) if file.is_dir() else verify_unlearning(certificate))
            if data is not None:
                given = {"label": label, "id_column": id_column, "normalise": normalise or None}
                given["backbone"] = None if backbone is None else str(backbone.absolute())
                _compare(certificate, file, data, {k: v for k, v in given.items() if v is not None})
            typer.echo(f"certificate {certificate.id} is whole, and {_followed(certificate)}")
        elif data is not None:
            raise InvalidInput("--data is for certificates of unlearning; this one is of a calibration")
        else:
            _exit_if_unsound([f"{problem.part}: {problem.explanation}" for problem in verify(certificate)])
            typer.echo(f"certificate {certificate.id} is whole, and its threshold follows from its evidence")


def _followed(certificate: UnlearningCertificate) -> str:
    if isinstance(certificate.promise, NothingPromised):
        return f"nothing is promised that could be verified: {certificate.promise.reason}"
    return "its promise follows from its parameters"


def _reading(path: Path) -> Mapping[str, Value]:
    """Return how the directory's data were read in training, else what `lethe train` assumes."""
    if path.is_dir():
        return read_recipe(path).data
    return {"label": "label", "id_column": None, "normalise": False, "backbone": None}


def _compare(certificate: UnlearningCertificate, file: Path, data: Path, given: Mapping[str, Value]) -> None:
    """Exit with 4 where the rows of the file are not those of the certificate."""
    if certificate.method not in READ_AS_ROWS:
        raise InvalidInput(f"--data compares rows, and a certificate of {certificate.method} is about none")
    with refusing_bad_input():
        key = read_data_key(file if file.is_dir() else file.parent)
        found = _seen(data, {**_reading(file), **given}, key)
    if found != certificate.data:
        about = data_words(certificate, certificate.data)
        _exit_if_unsound([f"{data} is {data_words(certificate, found)}; the certificate is about {about}"])
    typer.echo(f"{data} is what was trained on: {data_words(certificate, found)}")


def _seen(data: Path, reading: Mapping[str, Value], key: str) -> DataSeen:
    with needing_extra("unlearn", "comparing data"):
        # torch, for what texts become: all else here does without it
        from unlearners.language.checkpoint import load_language_model
        from unlearners.language.head import bags_of, load_headed, read_units
        from unlearners.language.lora import LoraTask
        from unlearners.language.processes import accelerator_for
        from unlearners.tabular import read_rows
    rows: Units
    if "targets" in reading:
        targets = str(reading["targets"]).split(",")
        model = load_language_model(Path(str(reading["backbone"])))
        rows = LoraTask(model, read_units(data), targets=targets).data
    elif "fingerprint" in reading:
        accelerator = accelerator_for(reading)
        headed = load_headed(Path(str(reading["backbone"])), accelerator.device)
        rows = bags_of(headed, read_units(data), accelerator=accelerator)
    else:
        rows = read_rows(data, reading, accelerator_for(reading) if reading.get("backbone") else None)
    return seen(rows, key)


def _exit_if_unsound(problems: Sequence[str]) -> None:
    for problem in problems:
        typer.echo(f"not sound: {problem}", err=True)
    if problems:
        raise typer.Exit(EXIT_UNSOUND)


@app.command()
def activate(file: _File, database: CertificateDatabase = None) -> None:
    """Put a certificate in force. A running gateway serves under it from the next request on."""
    with reporting_failures():
        certificate = _read(file, database)
        if isinstance(certificate, UnlearningCertificate):
            raise InvalidInput(
                f"{file} is about weights that forgot: it holds without being activated. To serve those weights: "
                "lethe backends add NAME --model DIR"
            )
        require_servable(certificate)

        async def work(store: Store) -> int:
            if in_store(file):
                return await activate_stored(store, certificate.id)
            return await activate_certificate(store, certificate)

        revision = with_store(database, work)
        typer.echo(f"certificate {certificate.id} is in force (policy revision {revision})")


@app.command("list")
def list_command(
    database: CertificateDatabase = None,
) -> None:
    """List the certificates of the database, the newest first."""
    with reporting_failures():
        kept = with_store(database, Store.certificates)
        table = Table("id", "added", "put in force", "state", box=SIMPLE)
        for one in kept:
            since = "" if one.activated_at is None else f"{one.activated_at:%Y-%m-%d %H:%M}"
            table.add_row(one.id, f"{one.added_at:%Y-%m-%d %H:%M}", since, "in force" if one.active else "")
        print_table(table if kept else "no certificates")


@app.command()
def rollback(
    certificate_id: Annotated[str, typer.Argument(metavar="ID", help="The certificate that is in force.")],
    database: CertificateDatabase = None,
) -> None:
    """Put in force again what was before this certificate, for the same model."""
    with reporting_failures():
        revision, back = with_store(database, lambda store: store.roll_back_certificate(certificate_id))
        typer.echo(f"certificate {back} is in force again (policy revision {revision})")


@app.command()
def deactivate(
    database: CertificateDatabase = None,
) -> None:
    """Take the active certificate out of force: nothing that is guarded goes out until there is another."""
    with reporting_failures():
        revision = with_store(database, Store.deactivate_certificate)
        typer.echo(f"no certificate is in force (policy revision {revision})")


def _read(path: Path, database: str | None) -> Certificate | UnlearningCertificate:
    """Read whichever kind the file says it is, or the store's of this id. Raises ``InvalidInput``."""
    if in_store(path):
        return certificate_named(path, database)
    file = path / UNLEARNING_FILE if path.is_dir() else path
    schema = _schema(file)
    if schema == UNLEARNING_SCHEMA:
        try:
            return UnlearningCertificate.from_json(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidInput(f"{file}: {error}") from error
    family = schema.rpartition("/")[0]
    if schema and family != SCHEMA.rpartition("/")[0]:
        known = f"{SCHEMA!r} and {UNLEARNING_SCHEMA!r}"
        raise InvalidInput(f"{file} says that it is {schema!r}; this version reads {known}")
    return certificate_named(
        file, database
    )  # which says what is wrong with a file of no schema, or of another version


def _schema(file: Path) -> str:
    """Return what the file says it is; nothing where it cannot say so."""
    try:
        schema = object_in(file.read_text(encoding="utf-8")).get("schema")
    except (OSError, ValueError):
        return ""
    return schema if isinstance(schema, str) else ""
