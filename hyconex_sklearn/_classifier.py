"""The estimator: store, validate, call the stations in order."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from ._answer.counterfactuals import Counterfactuals
from ._answer.status import Status
from ._common.other_names import refuse_other_names, with_our_names
from ._common.parameters import SPARSITY, check_parameters, check_query
from ._common.runtime import choose_threads, plain_torch, resolve_device, seeded, thread_limit
from ._model.encoded_space import EncodedSpace
from ._model.hypernetwork import step_work
from ._predictions import Predicts
from ._rules.actionability import Actionability
from ._rules.compile import compile_rules, unruled
from ._rules.conflicts import warn_of_conflicts
from ._rules.table_rules import TableRules
from ._saving.estimator import Kept
from ._saving.model_file import Fitted
from ._search.explainer import Explainer
from ._table.check_input import check_table
from ._table.check_labels import check_labels, counted_rows, target_numbers
from ._table.codec import TableCodec
from ._table.containers import Kind
from ._table.learn_relations import learn_relations
from ._table.row_labels import in_order
from ._table.schema import Column


class HyConExClassifier(ClassifierMixin, Predicts, Kept):
    """Classifier that explains itself: class probabilities, what they rest on, and counterfactual rows from one pass.

    A classifier network, taught by an ensemble, predicts. A hypernetwork writes a linear model of it around each row,
    whose weights are also the steps to the nearest plausible rows of other classes, x' = x - W_m. A normalizing flow
    says what is plausible.

    Parameters
    ----------
    alpha_validity : float, default=0.8
        Weight of "the counterfactual is classified as its target" in the joint objective. Predictions are the same with
        any alphas; with all three 0 the single pass is left untrained.
    alpha_proximity : float, default=0.1
        Weight of the distance between a row and its counterfactual.
    alpha_plausibility : float, default=0.1
        Weight of "the counterfactual is as likely as rows of its class are".
    plausibility_quantile : float, default=0.25
        A row counts as plausible if its log-density under its class is above this quantile of held-out rows of that
        class. In [0, 1).
    hidden_size : int, default=128
        Width of the classifier network and of the hypernetwork.
    n_blocks : int, default=3
        Residual blocks of each of them.
    dropout : float, default=0.2
        Share of hidden units dropped while training.
    flow_transforms : int, default=4
        Autoregressive transformations of the flow.
    flow_hidden : tuple of int, default=(64, 64)
        Hidden widths of each transformation.
    flow_epochs : int or None, default=None
        Most epochs of the density phase. None chooses by the size of the table, here and below: as many as make some
        hundred to a few thousand optimiser steps.
    pretrain_epochs : int or None, default=None
        Epochs of the classification phase. With 0 the classifier is a logistic regression.
    joint_epochs : int or None, default=None
        Epochs of the joint phase. A quarter as many, and cheaper ones, come before it, with k-means prototypes
        as targets.
    batch_size : int, default=256
        Rows of an optimiser step. An epoch has at least four steps, however small the table.
    learning_rate : float, default=2e-3
        Step size of AdamW at the start of each phase; the density phase takes twice as much.
    weight_decay : float, default=1e-4
        Weight decay of AdamW.
    validation_fraction : float, default=0.2
        Share of the rows of each class held out from density, committee and hypernetwork, for early stopping and for
        thresholds of plausibility. The classifier learns from all rows, and is chosen and calibrated by cross-fitting.
    patience : int, default=20
        Epochs without improvement on held-out rows before the density phase stops.
    max_time : float or None, default=None
        Seconds that training may take. Where they run out, each phase ends at its best model so far, a
        ConvergenceWarning says so, and so does the last record of the phase: `"stopped": "max_time"`. Each phase takes
        one step at least; committee, linear start and reservoir always run: a second or two, more for huge tables.
        What the clock has cut short, the seed alone can't repeat.
    categorical_features : "from_dtype", None, or array-like of bool, int or str, default="from_dtype"
        Columns that are categorical whatever their dtype, as mask, indices or names. Text, category and boolean
        columns always are.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the classification losses, beside those of the rows that `fit` may be given.
    n_jobs : int or None, default=None
        Torch threads; None chooses by the size of the work, -1 takes all. One, always, in a forked process. Several
        Python threads may query one estimator at the same time; where they fit, they take turns.
    device : str, torch.device or None, default=None
        Where to compute. None takes the CPU, or CUDA where there is one and training steps are large (2 GFLOP and more:
        a wide network, or many rows, features and classes), since small ones wait longer than they compute.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random in `fit`. The same seed on the same machine gives the same fit, bit for bit.
    verbose : int, default=0
        1 shows a progress bar for each phase of `fit`, and for the answers of `counterfactuals`.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        Class labels.
    n_features_in_ : int
        Columns seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names; only where all names are text.
    n_iter_ : int
        Epochs of all phases.
    history_ : list of dict
        One record for each epoch: phase, epoch, train_loss, valid_loss and, in the joint phase, the share of valid and
        plausible counterfactuals on held-out rows and their distance; "kept" in that of the epoch whose state a phase
        keeps, where an epoch improved on its start; "stopped" in the last one that `max_time` left; "accuracy" in the
        last one of the classifier: the share of all rows that the ensemble, which teaches it, classifies right, each
        row by members that have not seen it.
    fitted_on_ : str or None
        Day of the fit in UTC, as "2026-12-31"; None where it is not known, of models in older files.
    device_ : torch.device
        Where the fitted parts live.
    relations_ : tuple of relations
        What all training rows obeyed, between columns of numbers. Each reads as text, ``"total = net + tax"``, and has
        `kind` ("copy", "multiple", "sum" or "order"), `terms` and `bound`, as ``Actionability(relations=...)`` takes
        them, and `n_rows`, the rows that are evidence. Exact ones (copies, multiples, sums and differences of two or
        three columns) need 20 rows, and 20 in each column with another value than the most frequent one; orders (one
        column is at most another one, less by a gap between whole numbers) need 100 rows, and columns that overlap.
        Columns that have nothing to do with each other would pass in one of a million tables at most. Looked for in
        the first 100 columns of numbers. `counterfactuals` keeps the exact ones; `suggest_rules` offers the others.

    References
    ----------
    Marszałek et al., "HyConEx: Hypernetwork classifier with counterfactual explanations", arXiv 2503.12525.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from hyconex_sklearn import HyConExClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> quick = {"flow_epochs": 20, "pretrain_epochs": 20, "joint_epochs": 20, "hidden_size": 32}  # for a quick look
    >>> clf = HyConExClassifier(**quick, random_state=0).fit(X, y)
    >>> cf = clf.counterfactuals(X[:2], target=1)
    >>> print(cf.explain()[0])
    sepal width (cm) 3.5 -> ..., petal length (cm) 1.4 -> ... would change the prediction from 0 to 1 (probability ...).
    >>> cf.report[["row", "target", "prediction", "valid"]]
       row  target  prediction  valid
    0    0       1           1   True
    1    1       1           1   True
    """

    def __init__(
        self,
        *,
        alpha_validity: float = 0.8,
        alpha_proximity: float = 0.1,
        alpha_plausibility: float = 0.1,
        plausibility_quantile: float = 0.25,
        hidden_size: int = 128,
        n_blocks: int = 3,
        dropout: float = 0.2,
        flow_transforms: int = 4,
        flow_hidden: tuple[int, ...] = (64, 64),
        flow_epochs: int | None = None,
        pretrain_epochs: int | None = None,
        joint_epochs: int | None = None,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
        validation_fraction: float = 0.2,
        patience: int = 20,
        max_time: float | None = None,
        categorical_features: Any = "from_dtype",
        class_weight: Any = None,
        n_jobs: int | None = None,
        device: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.alpha_validity = alpha_validity
        self.alpha_proximity = alpha_proximity
        self.alpha_plausibility = alpha_plausibility
        self.plausibility_quantile = plausibility_quantile
        self.hidden_size = hidden_size
        self.n_blocks = n_blocks
        self.dropout = dropout
        self.flow_transforms = flow_transforms
        self.flow_hidden = flow_hidden
        self.flow_epochs = flow_epochs
        self.pretrain_epochs = pretrain_epochs
        self.joint_epochs = joint_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.max_time = max_time
        self.categorical_features = categorical_features
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------------------------------------------ fitting

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit density, classifier, committee and hypernetwork to a table.

        Parameters
        ----------
        X : DataFrame (pandas, polars), Arrow table or array-like of shape (n, n_features)
            Numbers, booleans, text or categories; missing values allowed.
        y : array-like of shape (n,)
            Class labels of any type that scikit-learn takes, at least two different ones.
        sample_weight : array-like of shape (n,), float or None, default=None
            How much each row counts in all that is trained and calibrated: one of weight 2 is as good as two rows, one
            of weight 0 as none. Only the units of columns (scale, power, median) are those of rows that count alike.
            None lets all count the same.

        Returns
        -------
        HyConExClassifier
            This estimator, fitted.

        Raises
        ------
        ValueError
            If the table, the labels or a parameter can't be used, or training diverges.
        """
        # Loaded now: a model from a file answers without what trains one, and starts sooner.
        from ._training.classifier_phase import _FEWEST_DRAWN
        from ._training.fit_model import fit_model
        from ._training.history import Clock
        from ._training.loop import Training
        from ._training.rows import split

        check_parameters(self)
        clock = Clock(self.max_time)
        resolve_device(self.device, 0.0)  # a device that is not there is told before any work
        # All is kept in places of its own until the end, so that whatever goes wrong, and whenever it is interrupted,
        # this estimator stays what it was: unfitted, or fitted to the earlier table.
        holder = object.__new__(type(self))  # of what scikit-learn learns of the columns
        holder.__dict__ = self.get_params(deep=False)
        X = check_table(holder, X, reset=True)
        names = getattr(holder, "feature_names_in_", None)
        X, y, times = counted_rows(X, y, sample_weight)
        classes, labels, weight = check_labels(y, len(X), self.class_weight, times)
        codec = TableCodec.fit(X, self.categorical_features)
        codec = TableCodec(replace(codec.schema, relations=learn_relations(codec, X)))
        most_rows = min(self.batch_size, max(len(X), _FEWEST_DRAWN))  # of a step
        work = step_work(most_rows, codec.schema.n_encoded, len(classes), self.hidden_size, self.n_blocks)
        device = resolve_device(self.device, work)
        seed = int(check_random_state(self.random_state).randint(2**31))
        threads = choose_threads(self.n_jobs, work)
        with plain_torch(), seeded(seed, device), thread_limit(threads), threadpool_limits(threads, user_api="openmp"):
            space = EncodedSpace(codec.schema).to(device)
            rows = split(codec, X, labels, weight, times, self.validation_fraction, seed, device)
            del labels, weight, times  # which are as long as the table
            training = Training(self, *rows, seed, torch.Generator(device).manual_seed(seed), clock)
            rules = unruled(codec.schema, training.train.x[:1].cpu().numpy())
            model = fit_model(space, rules, training)
        history = training.history
        history.warn(self.max_time)
        today = datetime.now(UTC).date().isoformat()
        parts = (codec.schema, classes, names, history.records, len(history.records), today, model)
        self._take(Fitted(self.get_params(deep=False), *parts))
        return self

    # ---------------------------------------------------------------------------------------------- counterfactuals

    @with_our_names
    def counterfactuals(
        self,
        X: Any,
        *,
        target: Any = None,
        n_counterfactuals: int = 1,
        target_probability: float | None = None,
        immutable: Any = None,
        mutable: Any = None,
        bounds: Any = None,
        monotonic_cst: Any = None,
        max_changes: int | None = None,
        actionability: Actionability | None = None,
        search: str = "auto",
        sparsity: float = SPARSITY,
        menu: bool = False,
        intervals: str | None = None,
        random_state: Any = None,
    ) -> Counterfactuals:
        """Return for each row the nearest plausible rows that would be classified otherwise.

        Rules are checked on the rows that come back: none is ever violated by a row that is reported as feasible, and
        an immutable cell is never touched. What all training rows obeyed exactly, `relations_` such as "total = net +
        tax", is kept as a rule, too, where the row itself obeys it (``Actionability(keep_relations=False)`` lets it
        go). Columns are given by name, or by position.

        Parameters
        ----------
        X : DataFrame (pandas, polars), Arrow table or array-like of shape (n, n_features)
            Rows to explain; one row may be a dict or a Series.
        target : label, "second" or array-like of shape (n,), optional
            The class wanted: one for all rows, or one for each (a Series is matched by the labels of rows); "second"
            is each row's runner-up (unless that is a label). By default every class but the predicted one, ordered by
            row, then class. A row that is already predicted as its target comes back unchanged.
        n_counterfactuals : int, default=1
            Alternatives for each row and target, ranked: certified ones first, then the nearest first. Each is asked
            with the columns that the earlier ones changed most frozen, so that they differ in structure. Fewer come
            back where fewer exist.
        target_probability : float, optional
            Calibrated probability of the target to reach, in (0, 1). By default one that rows of the class typically
            reach. The best effort is returned; its `status` says if it falls short.
        immutable : list of columns or bool array of shape (n_features,) or (n, n_features), optional
            What must not change, for all rows or for each. A Series or DataFrame is matched by its labels.
        mutable : as `immutable`, optional
            What may change, in place of `immutable`; nothing else does.
        bounds : dict of column to (low, high), optional
            Smallest and largest value, in the units of X; None for no bound, an array (n,) for one bound per row, or a
            Series, which is matched by the labels of rows.
        monotonic_cst : dict or Series of column to {-1, 0, 1}, or array-like of shape (n_features,), optional
            1: may only rise, -1: may only fall; for ordered categories too, and for truth values (False < True).
        max_changes : int, optional
            Most columns that may change.
        actionability : Actionability, optional
            These rules in one object, and rarer ones: categories, transitions, values and steps of numbers, relations
            between columns, what changes cost, a repair function.
        search : {"auto", "latent", "steps", "one_shot"}, default="auto"
            "one_shot" is the single pass of the network. "auto" climbs for rows whose certificate fails (rows drawn
            from the density, descent, small steps, latent search), and shortens all answers, in length and in the
            number of changed columns, as long as they are certified: classified as the target with the confidence
            and the committee's support asked for, and plausible. "latent" starts from the single pass too, and
            optimises in the flow's latent space with smoothed gradients: slower, sometimes shorter. "steps" repeats
            small steps of the network to the first crossing.
        sparsity : float, default=2.0
            What changed columns cost, 0 or more: of two certified rows that one is taken whose distance times
            (1 + `sparsity` times its share of changed columns) is smaller. 0 gives the nearest row; more gives fewer
            changes and a longer way.
        menu : bool, default=False
            Whether to return, in place of `n_counterfactuals` alternatives, the best rows with one changed column, with
            two, and so on up to the first that is certified (or to `max_changes`), in this order. A row is left out
            where it would not be classified as the target, or where one with fewer changes is worth as much.
        intervals : {"each", "box"}, optional
            Tell how far the changed numbers, and ordered categories, of certified answers may go, so that the row stays
            certified and obeys the rules: "each" while all other cells stay as they are, "box" all at the same time.
            Checked, not proved: all values of a column where they are 256 or fewer, else 128 between what fit has seen
            and the rules allow, and more at both ends; of a box, 128 rows drawn in it and two corners. The rows that
            come back are the same. It takes a row of work for each value.
        random_state : int, RandomState instance or None, default=None
            Seed of the noise of the latent search. None gives the same answer every time.

        Returns
        -------
        Counterfactuals
            `data` has the type, columns, dtypes, units and row labels of X; `report` says of every row what it is
            worth, computed from the returned row itself. A row that the rules leave no way comes back with the status
            "infeasible", and a warning names the column.

        Raises
        ------
        TypeError, ValueError
            If a rule is malformed, does not fit the table, or contradicts another one; before any search.

        Notes
        -----
        Large tables are answered block by block. Beside the table and the answer, memory holds the encoded table (four
        bytes for each number and category), 35 bytes for each of its cells where rules are given, and some 100 MB.
        """
        rules = Actionability.merged(
            actionability,
            immutable=immutable,
            mutable=mutable,
            bounds=bounds,
            monotonic_cst=monotonic_cst,
            max_changes=max_changes,
            target_probability=target_probability,
        )
        check_query(search, n_counterfactuals, sparsity, menu, intervals)
        seed = 0 if random_state is None else int(check_random_state(random_state).randint(2**31))
        kind = Kind.of(X)
        with self._encoded(X) as (table, encoded):
            wanted = self._wanted(in_order(target, table, "target"), len(encoded))
            rules = rules._repairing(kind)
            how: dict[str, Any] = {"search": search, "sparsity": float(sparsity), "menu": bool(menu), "seed": seed}
            how["intervals"] = intervals
            found = self._explainer.explain(table, encoded, wanted, rules, n_counterfactuals, **how)
            lost = found.report["row"][found.report["status"] == Status.INFEASIBLE].to_numpy()
            warn_of_conflicts(rules, self._codec, table, encoded.cpu().numpy(), lost)
        return found._in_kind(kind, X)

    def suggest_rules(self) -> Actionability:
        """Return rules that the training table speaks for, to be looked at, edited, and passed as `actionability`.

        Returns
        -------
        Actionability
            Its `relations` are the orders among `relations_`: that no training row broke one does not say that none
            can. The exact relations are not among them, since answers keep those anyway.

        Raises
        ------
        NotFittedError
            If there is no table yet.
        """
        check_is_fitted(self)
        return Actionability(relations=[(each.terms, each.bound) for each in self.relations_ if not each.exact])

    def _wanted(self, target: Any, n: int) -> torch.Tensor | str | None:
        """Return class indices (n,), "second" or None for every other class."""
        if target is None or (isinstance(target, str) and target == "second" and target not in self.classes_.tolist()):
            return target
        return torch.from_numpy(target_numbers(target, n, self.classes_)).to(self.device_)

    @property
    def _explainer(self) -> Explainer:
        said = next((record["accuracy"] for record in reversed(self.history_) if "accuracy" in record), None)
        size, verbose = self._model.hypernetwork.rows_at_once, bool(self.verbose)
        return Explainer(self._model, self._codec, self.classes_, size, self.n_jobs, self.fitted_on_, said, verbose)

    # -------------------------------------------- for callers inside the package: `_pipeline.explains_itself`

    @property
    def _columns(self) -> tuple[Column, ...]:
        return self._codec.schema.columns

    def _check_query(self, query: dict[str, Any], X: Any = None) -> None:
        """Raise where a query is wrong whatever the rows; given a table, where its columns or the rules on them are."""
        refuse_other_names(query)
        inspect.signature(self.counterfactuals).bind(X, **query)
        checked = ("search", "n_counterfactuals", "sparsity", "menu", "intervals")
        check_query(**{name: query[name] for name in checked if name in query})
        self._wanted(query.get("target"), 1)
        rules = Actionability._in_query(query)
        if X is not None:
            compile_rules(TableRules.read(rules, self._codec, X), X, self._codec.encode(X))

    def _answer_dtypes(self, X: Any) -> dict[Any, Any]:
        """Return the dtype of each column of X, widened where an answer may say what it can't hold."""
        return self._codec.answer_dtypes(X)

    def _certify_rows(self, data: Any, report: Any, X: Any, **query: Any) -> Any:
        """Return `report` anew for rows that came back changed; `X` and `query` are what the query was called with."""
        rules = Actionability._in_query(query)
        with self._encoded(X) as (X, encoded):
            return self._explainer.report_again(X, encoded, rules, data, report)

    def _certifier(self, X: Any, **query: Any) -> Callable[[Any, np.ndarray, np.ndarray], np.ndarray]:
        """Return what tells of a table, numbers of rows of X and targets which of its rows are certified answers."""
        with self._encoded(X) as (X, encoded):
            return self._explainer.judging(X, encoded, Actionability._in_query(query))

    # ------------------------------------------------------------------------------------------------ scikit-learn

    # What the HTML form of an estimator links to.
    _doc_link_module = "hyconex_sklearn"
    _doc_link_template = (
        "https://hyconex-sklearn.readthedocs.io/en/stable/api/{estimator_name}.html#{estimator_module}.{estimator_name}"
    )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
