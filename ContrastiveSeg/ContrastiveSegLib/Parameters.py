"""What the user has chosen in the panel; saved with the scene."""

from typing import Annotated, Any

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from ContrastiveSegLib.Budget import Budget
from ContrastiveSegLib.Drawing import Drawing
from ContrastiveSegLib.LearningMethod import LearningMethod
from ContrastiveSegLib.PlaneChoice import PlaneChoice

_CHOICES = {"budget": Budget, "method": LearningMethod, "planes": PlaneChoice, "drawing": Drawing}


@parameterNodeWrapper
class Parameters:
    """The panel's parameters, bound to its widgets by the property SlicerParameterName.

    Attributes:
        volume: The image to segment.
        segmentation: Where the user paints.
        budget: How long a learning may take.
        weights: Name of the pretrained weights that a learning starts from; empty for none.
        method: What a learning looks at.
        device: On what it runs: ``auto``, ``cpu``, ``cuda:0``, ...
        planes: Which slices count as annotated.
        showPrediction: Whether the prediction is shown over the slices and in 3D.
        show3D: Whether surfaces of it are made.
        opacity: How much of the image it covers, in percent.
        drawing: What of it is seen in slice views.
        showUncertainty: Whether the uncertainty map lies over the slices.
    """

    volume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    budget: Budget = Budget.Quick
    weights: str = ""
    method: LearningMethod = LearningMethod.Supervised
    device: str = "auto"
    planes: PlaneChoice = PlaneChoice.Automatic
    showPrediction: bool = True
    show3D: bool = True
    opacity: Annotated[int, WithinRange(0, 100)] = 40
    drawing: Drawing = Drawing.Both
    showUncertainty: bool = False

    @staticmethod
    def forgetUnknown(parameterNode: Any) -> None:
        """Takes choices out of a scene that this release does not have, as a later one may save them.

        Otherwise the panel could not be opened with such a scene at all; so it has its defaults.
        """
        for name, kind in _CHOICES.items():
            if parameterNode.GetParameter(name) not in kind.__members__:
                parameterNode.UnsetParameter(name)
