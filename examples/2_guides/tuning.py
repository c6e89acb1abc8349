"""
Tune the alphas for explanations, not for accuracy alone
========================================================

The three alphas weigh what a counterfactual should be while the network is trained: classified as its target
(``alpha_validity``), near its row (``alpha_proximity``), usual among rows of its target class
(``alpha_plausibility``). Accuracy hardly notices them, so that a search by accuracy chooses between them by chance.
``make_counterfactual_scorer`` counts the explanations, too. Less than a minute on one core:
``python examples/2_guides/tuning.py``
"""

# %%
# Real data: 178 wines of three cultivars, described by 13 chemical measurements. Three in ten are kept for the end.

import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split

from hyconex_sklearn import HyConExClassifier, make_counterfactual_scorer

X, y = load_wine(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

# %%
# The score is the weighted mean of four terms between 0 and 1. By default half of the weight is accuracy, and each of
# validity, plausibility and proximity has a sixth. Plausibility is judged by kernel densities of the held-out rows, and
# proximity beside the way to real rows of the target class: a candidate's own density and units have no say.

scorer = make_counterfactual_scorer()
print(scorer)

# %%
# A search with two scores, so that both choices can be compared. The first candidate has the default alphas. Fewer
# epochs than by default keep this page short.

clf = HyConExClassifier(flow_epochs=50, pretrain_epochs=40, joint_epochs=30, random_state=0)
search = GridSearchCV(
    clf,
    {"alpha_plausibility": [0.1, 0.3, 1.0]},
    scoring={"accuracy": "accuracy", "explained": scorer},
    refit="explained",
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
).fit(X_train, y_train)

results = pd.DataFrame(search.cv_results_)
told = ["param_alpha_plausibility", "mean_test_accuracy", "std_test_accuracy", "mean_test_explained"]
print(results[told].round(3).to_string(index=False))
by_accuracy = results["params"][results["mean_test_accuracy"].idxmax()]
print(f"Best by accuracy: {by_accuracy}, by the scorer: {search.best_params_}")

# %%
# What was gained and what it cost, on rows that no candidate has seen; ``scorer.terms`` gives the terms one by one.
# Accuracies that differ by less than folds do, or by a row or two of these 54, tell nothing.

models = {
    "default alphas": clf.fit(X_train, y_train),
    "best by accuracy": clone(clf).set_params(**by_accuracy).fit(X_train, y_train),
    "best by the scorer": search.best_estimator_,
}
print("The single pass, search='one_shot':")
print(pd.DataFrame({name: scorer.terms(model, X_test, y_test) for name, model in models.items()}).T.round(3))

# %%
# A query searches further by default. It mends what the single pass gets wrong, and then shortens every answer as far
# as its own certificate lets it: nearer rows, less usual ones, and little is left of what the alphas taught the single
# pass. If that is how you ask, tune with ``make_counterfactual_scorer(search="auto")``.

searched = make_counterfactual_scorer(search="auto")
print("With the search of a query, search='auto':")
print(pd.DataFrame({name: searched.terms(model, X_test, y_test) for name, model in models.items()}).T.round(3))

# sphinx_gallery_thumbnail_path = "results/tradeoff.png"
