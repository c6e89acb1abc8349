"""Names that figures of the records have on the page of results, and what the page says of some of them."""

QUALITY = {
    "coverage": "answered",
    "validity": "valid",
    "agreement": "agreement",
    "plausibility": "plausible (own flow)",
    "plausibility_independent": "plausible (kernel density)",
    "near_target": "near",
    "lof_target": "LOF, target class",
    "lof_all": "LOF, all rows",
    "isolation_target": "isolation, target class",
    "l1": "L1",
    "l2": "L2",
    "gower": "Gower",
    "hamming": "categories changed",
    "n_changed": "columns changed",
}
GROUPED = {
    "choosing": ("### Tables on which settings were chosen", "Settings and parts of HyConEx were chosen on these:"),
    "reporting": ("### Tables that only report", "Nothing was ever chosen on these, of any classifier:"),
    "other": ("### Other tables", "In neither group:"),
}
ABLATED = {
    "auroc": "AUROC",
    "log_loss": "log loss",
    "validity": "valid",
    "agreement": "agreement",
    "plausibility": "plausible (default flow)",
    "plausibility_independent": "plausible (kernel density)",
    "near_target": "near",
    "support": "committee support",
    "l2": "L2",
    "n_changed": "columns changed",
    "masked_validity": "valid, half immutable",
}
EXPLAINED = {
    "contributions_sign": "contributions: largest term has the right sign",
    "contributions_correlation": "... correlation with occlusion",
    "weights_sign": "weights: largest term has the right sign",
    "weights_correlation": "... correlation with occlusion",
    "gradient_cosine": "weights, cosine with the gradient",
    "secant_error": "secant, median relative error",
    "own_linear": "own linear model puts the answer into its class",
}
STRESSED = {
    "valid": "valid",
    "plausible": "plausible",
    "certified": "certified",
    "support": "support",
    "agreement": "agreement",
    "near_target": "near",
    "l2": "L2",
}
RULED = {
    "half_one_shot_valid": "half immutable, valid where the reservoir holds an answer, one-shot",
    "half_valid": "... auto",
    "half_served": "queries for which it holds one",
    "half_valid_all": "half immutable, valid, all queries, auto",
    "half_plausible": "half immutable, plausible, auto",
    "half_agreement": "half immutable, agreement, auto",
    "half_ok": "half immutable, certified, auto",
    "half_ok_agreement": "agreement of the certified ones",
    "one_shot_plausible": "free, plausible, one-shot",
    "auto_plausible": "... auto",
    "one_shot_agreement": "free, agreement, one-shot",
    "auto_agreement": "... auto",
    "latent_agreement": "... latent, first 200 rows",
    "one_shot_changed": "free, columns changed, one-shot",
    "auto_changed": "... auto",
    "ratio_changed": "... auto / one-shot",
    "ratio_l2": "L2 of numbers, auto / one-shot",
    "ratio_encoded": "distance in encoded units, auto / one-shot",
    "ratio_seconds": "time, auto / one-shot",
    "k3_jaccard": "three alternatives: Jaccard distance of changed columns",
    "k3_valid": "... queries with three valid ones",
    "k3_certified": "... queries with three certified ones",
}
SEEN = {
    "flip_rate": "flipped",
    "non_adversarial_rate": "non-adversarial",
    "changed_share": "changed",
    "sparsity": "sparsity",
    "frechet_distance": "Fréchet distance",
    "images_per_second": "images a second",
}
DIVERSE = {"diversity_pixels": "diversity, pixels", "diversity": "diversity, judge's features"}
FAIRNESS = """Every method explains the same fitted classifier, on the same rows, toward the same classes. What is fair
and what is not: DiCE and NICE see nothing of it but `predict_proba`, and carry the training rows with them. Wachter
et al. and PPCEF, written anew from their papers, use its gradient, and PPCEF its density, too: the one that judges
"own flow". All of these stop where the class changes; HyConEx asks for the confidence that rows of the class typically
have and for the support of its committee, which an independent judge rewards (`hyconex_auto_50` asks for a probability
of one half only). HyConEx was trained to answer, against that same density, and gives its best attempt where it fails.
The seeds are those of fits and searches; the split and the rows asked are the same for all."""
MEANING = """What explanations say, beside what the classifier does. Occlusion: what the predicted class loses when one
column is exchanged for the typical row's. A term of the weights is coefficient times distance from the typical row; the
secant is what the coefficients say of the gain from a row to its answer. In logits of a class minus the mean of the
others'; cosine, secant and the own linear model are about classes that are not predicted:"""
