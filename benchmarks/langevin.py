"""Langevin unlearning beside retraining, Descent-to-Delete and LU: epochs accounted, gradients executed, accuracy.

    python benchmarks/langevin.py --data mnist.npz --json OUT
    python benchmarks/langevin.py --accounting --n 11264 --d 784 --lam 1e-6 --sigma 0.03 --epsilon 1 \\
        --delta 8.878e-5 --batch 128,n --requests 100 --json OUT

The file has features and labels: x_train, y_train, x_test, y_test, or x and y (a fifth is then held out), or
features and labels. Bytes are taken for pixels; every row is scaled to norm 1. With the published settings
(MNIST, 3 against 8) the published totals are printed beside ours. Accuracies are means over random orders of the
rows, starts, noises and forgotten rows, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from langevin_arms import PUBLISHED_ROWS, Task, arms, read_task
from langevin_runs import Figures, measure
from rich.console import Console
from rich.table import Table

from unlearners.langevin.comparison import Accounted, Accounts, Answer, NotFeasible, Question, compare

PUBLISHED = {"D2D": 9118, "LU S=10": 8739, "PNSGD b=n": 886, "PNSGD b=128": 100}
"""Totals of arXiv 2403.17105 for MNIST, 3 against 8, at ε = 1, δ = 1/n, sigma = .03, 100 requests."""

Json = dict[str, object]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; exit 2 where the settings or the data cannot be."""
    options = _parser().parse_args(argv)
    try:
        figures = _accounting(options) if options.accounting else _measured(options)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n")
    except (OSError, ValueError) as error:
        print(f"langevin.py: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="an .npz file of features and labels")
    parser.add_argument("--classes", help="comma-separated; default: 3,8 of digits, else all")
    parser.add_argument("--rows", type=int, help="rows that PNSGD trains on; default: all (MNIST 3,8: 11264)")
    parser.add_argument(
        "--orders", type=int, default=20, help="runs of each method: orders, starts, noises, forgotten rows"
    )
    parser.add_argument(
        "--runs", type=Path, metavar="FOLDER", help="keep each run there, and add to those that are there already"
    )
    parser.add_argument("--operating-batch", type=int, default=512, help="of PNSGD on all rows, tight bound")
    parser.add_argument("--operating-sigma", type=float, default=0.005)
    parser.add_argument("--skip-lu", action="store_true", help="do not run LU, only account for it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--accounting", action="store_true", help="no data: account alone")
    parser.add_argument("--n", type=int, help="rows")
    parser.add_argument("--d", type=int, help="features")
    parser.add_argument("--lam", type=float, default=1e-6, help="regulariser by row; m = lam·n")
    parser.add_argument("--sigma", type=float, default=0.03)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--delta", type=float, help="default: 1/n")
    parser.add_argument("--batch", default="32,64,128,256,512,n", help="batch sizes of PNSGD; n is all rows")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--lu-batch", default="1,5,10,20,50,100", help="LU's requests at once (S)")
    parser.add_argument("--smoothness", type=float, help="L of each row's loss, m included; default: 1/4 + m")
    parser.add_argument(
        "--full-batch-smoothness", type=float, help="L of the whole data's loss, for D2D and LU; default: the same"
    )
    parser.add_argument("--clip", type=float, default=1.0, help="M, the bound of a row's gradient")
    parser.add_argument("--radius", type=float, default=100.0, help="R of the projection; inf for none")
    parser.add_argument("--training-epochs", type=int, default=1000, help="matters where lam is 0")
    parser.add_argument("--bound", choices=("published", "tight"), default="published")
    parser.add_argument("--adjacency", choices=("replacement", "deletion"), default="replacement")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    return parser


def _accounting(options: argparse.Namespace) -> Json:
    if options.n is None or options.d is None:
        raise ValueError("--accounting needs --n and --d")
    question = Question(
        rows=options.n,
        features=options.d,
        lam=options.lam,
        sigma=options.sigma,
        epsilon=options.epsilon,
        delta=1 / max(options.n, 2) if options.delta is None else options.delta,
        requests=options.requests,
        batches=_sizes(options.batch, options.n),
        lu_batches=_sizes(options.lu_batch, options.requests),
        smoothness=options.smoothness,
        full_batch_smoothness=options.full_batch_smoothness,
        bound=options.bound,
        adjacency=options.adjacency,
        clip=options.clip,
        radius=options.radius,
        training_epochs=options.training_epochs,
    )
    accounts = compare(question)
    _print_accounts(question, accounts, {})
    return {"question": _plain(question), **_accounts_out(question, accounts)}


def _measured(options: argparse.Namespace) -> Json:
    if options.data is None:
        raise ValueError("give --data FILE, or --accounting")
    if options.orders < 1:
        raise ValueError(f"--orders is how often each method is run, at least once, not {options.orders}")
    names = options.classes.split(",") if options.classes else None
    task = read_task(options.data, names, options.rows, options.seed)
    print(
        f"{task.rows.rows} rows for PNSGD, {task.everything.rows} for D2D and LU, {task.test.rows} to test; "
        f"largest eigenvalue of X'X/n {task.largest_eigenvalue:.6f}; {task.loss.name} loss"
    )
    whole, part = _question(options, task, task.everything.rows), _question(options, task, task.rows.rows)
    accounts = replace(compare(whole), pnsgd=compare(part).pnsgd)
    _print_accounts(part, accounts, PUBLISHED if task.is_mnist and _as_published(part) else {})
    figures = _run(options, task, whole, part)
    return {
        "question": {"pnsgd": _plain(part), "d2d_and_lu": _plain(whole)},
        "largest_eigenvalue": task.largest_eigenvalue,
        **_accounts_out(part, accounts),
        "executed": [asdict(one) for one in figures],
    }


def _as_published(q: Question) -> bool:
    asked = (q.rows, q.lam, q.sigma, q.epsilon, q.delta, q.requests, q.bound, q.adjacency)
    return asked == (PUBLISHED_ROWS, 1e-6, 0.03, 1.0, 1 / PUBLISHED_ROWS, 100, "published", "replacement")


def _question(options: argparse.Namespace, task: Task, rows: int) -> Question:
    m = options.lam * rows
    return Question(
        rows=rows,
        features=task.rows.features.shape[1] * task.loss.outputs,
        lam=options.lam,
        sigma=options.sigma,
        epsilon=options.epsilon,
        delta=1 / rows if options.delta is None else options.delta,
        requests=options.requests,
        batches=_sizes(options.batch, rows),
        lu_batches=_sizes(options.lu_batch, options.requests),
        smoothness=task.loss.smoothness + m,
        full_batch_smoothness=task.loss.smoothness * task.largest_eigenvalue + m,
        bound=options.bound,
        adjacency=options.adjacency,
        clip=task.loss.gradient_bound,
        radius=options.radius,
    )


def _sizes(text: str, all_of_them: int) -> tuple[int, ...]:
    sizes = []
    for part in text.split(","):
        word = part.strip()
        if word != "n" and not (word.isdecimal() and int(word) > 0):
            raise ValueError(f"sizes are whole numbers from 1 on, or n, separated by commas, not {text!r}")
        sizes.append(all_of_them if word == "n" else int(word))
    return tuple(dict.fromkeys(sizes))


def _plain(question: Question) -> Json:
    """Return the question for JSON, which has no infinity."""
    return {name: str(value) if value == math.inf else value for name, value in asdict(question).items()}


def _accounts_out(question: Question, accounts: Accounts) -> Json:
    return {
        "d2d": _answer_out(accounts.d2d),
        "lu": {str(size): _answer_out(answer) for size, answer in accounts.lu.items()},
        "pnsgd": {
            "n" if batch == question.rows else str(batch): _answer_out(answer)
            for batch, answer in accounts.pnsgd.items()
        },
    }


def _answer_out(answer: Answer) -> Json:
    match answer:
        case NotFeasible(reason):
            return {"infeasible": reason}
        case Accounted(epochs, details):
            return {"total_epochs": sum(epochs), "epochs_per_request": list(epochs), **details}


def _print_accounts(question: Question, accounts: Accounts, published: Mapping[str, int]) -> None:
    q = question
    table = Table(
        title=f"Epochs accounted: {q.requests} requests in turn, ε = {q.epsilon:g}, δ = {q.delta:.4g}, "
        f"sigma = {q.sigma:g}, n = {q.rows}, d = {q.features}, m = {q.convexity:g}, {q.bound} bound, {q.adjacency}"
    )
    for name in ("method", "total", "first", "last", "% of D2D", "retrained with the same noise", "paper"):
        table.add_column(name, justify="left" if name == "method" else "right")
    rows = {"D2D": accounts.d2d}
    rows |= {f"LU S={size}": answer for size, answer in accounts.lu.items()}
    for batch, answer in accounts.pnsgd.items():
        rows[f"PNSGD b={'n' if batch == q.rows else batch}"] = answer
    for name, answer in rows.items():
        table.add_row(name, *_account_cells(q, answer, accounts.d2d), str(published.get(name, "")))
    console = Console(width=140)
    console.print(table)
    for name, answer in rows.items():
        if isinstance(answer, NotFeasible):
            console.print(f"{name}: infeasible: {answer.reason}")


def _account_cells(question: Question, answer: Answer, reference: Answer) -> tuple[str, ...]:
    if isinstance(answer, NotFeasible):
        return ("infeasible", "", "", "", "")
    share = f"{100 * answer.total / reference.total:.2f}" if isinstance(reference, Accounted) else ""
    once = answer.details.get("noisy_retraining_epochs")
    again = "" if once is None else str(int(once) * question.requests)
    return str(answer.total), str(answer.epochs[0]), str(answer.epochs[-1]), share, again


def _run(options: argparse.Namespace, task: Task, whole: Question, part: Question) -> list[Figures]:
    table = Table(title="Executed", caption="mean ± half of the 95 % interval; gradients: of one run's unlearning")
    for name in ("method", "runs", "epochs", "gradients", "% of D2D", "accuracy trained", "at the end", "s"):
        table.add_column(name, justify="left" if name == "method" else "right")
    tight = replace(whole, bound="tight", sigma=options.operating_sigma)
    key = repr((whole, part, tight, options.seed, task.everything.sha256, task.test.sha256))
    figures: list[Figures] = []
    for arm in arms(task, whole, ((part, part.rows), (part, 128), (tight, options.operating_batch)), options.seed):
        if arm.kind == "lu" and options.skip_lu:
            continue
        figures.append(measure(arm, task, options.orders, options.runs, key))
        table.add_row(*_executed_cells(figures[-1], figures[0]))
        print(f"{arm.name}: {figures[-1].seconds:.0f} s", file=sys.stderr, flush=True)
    Console(width=140).print(table)
    return figures


def _executed_cells(figures: Figures, reference: Figures) -> tuple[str, ...]:
    share = f"{100 * figures.gradients / reference.gradients:.2f}"
    counts = (str(figures.runs), str(figures.epochs), str(figures.gradients), share)
    return (figures.method, *counts, str(figures.trained), str(figures.accuracy), f"{figures.seconds:.0f}")


if __name__ == "__main__":
    sys.exit(main())
