"""Context for a scikit-learn pipeline: a classifier over scores that knows whose lesion each row is.

It follows scikit-learn's conventions without importing it, so that the default install stays small.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cygnet.context.cohort import Cohort, arrange
from cygnet.context.layer import Options, in_context, learn, log_odds
from cygnet.context.method import Method, View
from cygnet.context.methods import METHODS
from cygnet.context.ranking import MIN_LESIONS, WEIGHT
from cygnet.context.stack import Stack, logistic
from cygnet.errors import InputError

Floats = NDArray[np.float64]
Key = int | str

#: Largest change of the log odds per unit of oddness that labels may teach.
_HEAVIEST = 6.0


class ContextClassifier:
    """Scores in, scores that know the patient's other lesions out.

    ``X`` (n, f) is an array or a data frame. One column is the probability that the pipeline gives so far (``score``, by
    position or name); ``patient`` names the column with patient ids, unless they are passed as ``groups``; all other columns
    are measurements, except those listed in ``embedding``. ``method`` is a name of ``cygnet.context.METHODS``, "stack", or a
    method. With labels, ``fit`` learns how much oddness counts, never below 0; without, that is the stated
    1.5. ``guard``: probability from which on context never lowers a score.

    Cross-validate with patient-grouped folds (``GroupKFold``): a patient in two folds is compared, in each, only with the
    lesions of that fold.

    Examples
    --------
    >>> import numpy as np
    >>> from cygnet.context import ContextClassifier
    >>> scores, patients = np.array([[0.02]] * 9 + [[0.04]]), ["P1"] * 10
    >>> p = ContextClassifier().fit(scores, groups=patients).predict_proba(scores, groups=patients)
    >>> bool(p[-1, 1] > 0.04)
    True
    """

    _estimator_type = "classifier"

    def __init__(
        self,
        *,
        method: str | Method = "robust_z",
        score: Key = 0,
        patient: Key | None = None,
        embedding: Sequence[Key] = (),
        guard: float = 0.05,
    ) -> None:
        self.method = method
        self.score = score
        self.patient = patient
        self.embedding = embedding
        self.guard = guard

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change arguments by name.

        Raises
        ------
        InputError
            If there is no such argument.
        """
        for name, value in params.items():
            if name not in self.get_params():
                raise InputError(f"no parameter {name!r}; there are {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def fit(self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None) -> Self:  # noqa: N803
        """Learn what is usual among these lesions and, with ``y`` (n,) of two classes, how much oddness counts.

        Raises
        ------
        InputError
            If there are no patients, a score is no probability, or ``y`` has not two classes.
        """
        cohort, probability = self._cohort(X, groups)
        self.method_, self.reference_ = learn(cohort, self._method())
        self.classes_ = np.array([0, 1])
        self.weight_ = WEIGHT
        self.n_features_in_ = np.asarray(X).shape[1]
        if y is not None:
            labels = np.asarray(y)
            self.classes_ = np.unique(labels)
            if len(self.classes_) != 2 or len(labels) != len(probability):
                raise InputError(f"y needs one of two classes for each of {len(probability):,} rows")
            self.weight_ = self._weigh(cohort, labels == self.classes_[1])
        return self

    def predict_proba(self, X: Any, groups: ArrayLike | None = None) -> Floats:  # noqa: N803
        """(n, 2) probabilities of the two classes, each lesion judged among the rows of its patient."""
        cohort, probability = self._cohort(X, groups)
        if not hasattr(self, "method_"):
            raise InputError("the classifier is not fitted yet; call fit first")
        options = Options(self.guard, self.weight_)
        found = in_context(cohort, self.method_, self.reference_, options, probability=probability)
        return np.column_stack([1 - found.adjusted, found.adjusted])

    def predict(self, X: Any, groups: ArrayLike | None = None) -> NDArray[Any]:  # noqa: N803
        """(n,) the more probable class."""
        return np.asarray(self.classes_[(self.predict_proba(X, groups)[:, 1] >= 0.5).astype(int)])

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of an estimator; only scikit-learn calls this, so it is there to be imported."""
        utils = importlib.import_module("sklearn.utils")
        return utils.Tags(
            estimator_type="classifier",
            target_tags=utils.TargetTags(required=False),
            classifier_tags=utils.ClassifierTags(multi_class=False),
        )

    def _method(self) -> Method:
        if not isinstance(self.method, str):
            return self.method
        if self.method == Stack.name:
            return Stack(tuple(METHODS.values()))
        if self.method not in METHODS:
            raise InputError(f"no context method {self.method!r}; there are {', '.join(METHODS)}, {Stack.name}")
        return METHODS[self.method]

    def _weigh(self, cohort: Cohort, labels: NDArray[np.bool_]) -> float:
        """How many log odds a unit of oddness is worth beside the score, by ridge logistic regression; 0 or more."""
        arranged = arrange(cohort, merge=cohort.telling)
        view = View(arranged, self.reference_)
        oddness = np.nan_to_num(self.method_.oddness(view))[arranged.of]
        enough = view.comparison.siblings[arranged.of] >= MIN_LESIONS - 1
        design = np.column_stack([np.ones(len(labels)), cohort.score, np.where(enough, oddness, 0.0)])
        _, slope, weight = logistic(design, labels.astype(np.float64))
        return float(np.clip(weight / max(slope, 0.1), 0.0, _HEAVIEST))

    def _cohort(self, X: Any, groups: ArrayLike | None) -> tuple[Cohort, Floats]:  # noqa: N803
        names = [str(c) for c in X.columns] if hasattr(X, "columns") else []
        table = np.asarray(X)
        if table.ndim != 2:
            raise InputError(f"X has {table.ndim} dimensions; give rows of a score and, where there are, measurements")
        patients = np.asarray(groups if groups is not None else table[:, self._place(self.patient, names)])
        if len(patients) != len(table):
            raise InputError(f"groups names {len(patients):,} patients for {len(table):,} rows")
        look = [self._place(key, names) for key in self.embedding]
        aside = {self._place(self.score, names), *look}
        if self.patient is not None:
            aside.add(self._place(self.patient, names))
        measured = [k for k in range(table.shape[1]) if k not in aside]
        probability = table[:, self._place(self.score, names)].astype(np.float64)
        if not ((probability >= 0) & (probability <= 1)).all():
            raise InputError(f"column {self.score!r} of X holds values outside 0 to 1; it must be a probability")
        code = np.unique(patients.astype(str), return_inverse=True)[1]
        cohort = Cohort.build(
            code,
            log_odds(probability),
            embedding=table[:, look].astype(np.float32) if look else None,
            measurements=table[:, measured].astype(np.float64),
        )
        return cohort, probability

    @staticmethod
    def _place(key: Key | None, names: list[str]) -> int:
        if key is None:
            raise InputError("whose lesions are these? pass groups=patient_ids, or name their column with patient=")
        if isinstance(key, str):
            if key not in names:
                raise InputError(f"X has no column {key!r}; there are {', '.join(names) or 'no names'}")
            return names.index(key)
        return int(key)
