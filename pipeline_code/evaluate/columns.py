"""The columns of this version's feature rows that a model of any version takes."""

from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.schema import SCHEMA_VERSION, SCHEMA_VERSIONS
from pipeline_code.features.definitions import FEATURES, features_of
from pipeline_code.train.model import Model

__all__ = ["columns_of"]


def columns_of(model: Model) -> list[int]:
    """Where in a row of this version each of a model's features is.

    columns_of(model)  # [0, 1, 2, ...], of a model of this version

    Raises:
        BadInput: The model is of a version that is not alive; or a feature of it is not declared in
            this version, or with another definition.
    """
    version = model.metadata.feature_schema_version
    if version not in SCHEMA_VERSIONS:
        model.require_schema()
    declared = features_of(version)
    model.require_schema(version, [feature.name for feature in declared])
    here = {feature.name: (place, feature.formula) for place, feature in enumerate(FEATURES)}
    columns = []
    for feature in declared:
        place, formula = here.get(feature.name, (None, None))
        if place is None or formula != feature.formula:
            raise BadInput(
                f"the model's feature {feature.name} of schema version {version} must be in "
                f"{SCHEMA_VERSION} as it was, got {'none' if place is None else 'another'}; its "
                "scores of these rows would not be its own"
            )
        columns.append(place)
    return columns
