"""The texts of a weights extension; ``@NAME@`` is replaced by :func:`filled`."""

from __future__ import annotations

import re

TOP_CMAKE = """\
cmake_minimum_required(VERSION 3.16.3...3.28.0 FATAL_ERROR)

project(@EXTENSION@)

#-----------------------------------------------------------------------------
# Extension meta-information
set(EXTENSION_HOMEPAGE @HOMEPAGE@)
set(EXTENSION_CONTRIBUTORS @CONTRIBUTORS@)
set(EXTENSION_DESCRIPTION @DESCRIPTION@)
set(EXTENSION_ICONURL @ICONURL@)
set(EXTENSION_SCREENSHOTURLS @ICONURL@)
set(EXTENSION_DEPENDS "NA") # The files are data; ContrastiveSeg finds them when it is installed

#-----------------------------------------------------------------------------
# Extension dependencies
find_package(Slicer REQUIRED)
include(${Slicer_USE_FILE})

#-----------------------------------------------------------------------------
# Extension modules
add_subdirectory(@EXTENSION@)
## NEXT_MODULE

#-----------------------------------------------------------------------------
include(${Slicer_EXTENSION_GENERATE_CONFIG})
include(${Slicer_EXTENSION_CPACK})
"""

MODULE_CMAKE = """\
#-----------------------------------------------------------------------------
set(MODULE_NAME @EXTENSION@)

#-----------------------------------------------------------------------------
set(MODULE_PYTHON_SCRIPTS
  ${MODULE_NAME}.py
  )

set(MODULE_PYTHON_RESOURCES
@RESOURCES@
  )

#-----------------------------------------------------------------------------
slicerMacroBuildScriptedModule(
  NAME ${MODULE_NAME}
  SCRIPTS ${MODULE_PYTHON_SCRIPTS}
  RESOURCES ${MODULE_PYTHON_RESOURCES}
  WITH_GENERIC_TESTS
  )

#-----------------------------------------------------------------------------
if(BUILD_TESTING)

  slicer_add_python_unittest(SCRIPT ${MODULE_NAME}.py)

endif()
"""

MODULE = '''\
"""Weights for ContrastiveSeg: cards and tensors in Resources/Models, and a list of them."""

import hashlib
import json
import os

import qt
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


def modelsFolder():
    """Where the weights are; ContrastiveSeg looks here."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "Resources", "Models")


def cards():
    """The weight cards by the names of their files."""
    found = {}
    for name in sorted(os.listdir(modelsFolder())):
        if name.endswith(".card.json"):
            with open(os.path.join(modelsFolder(), name), encoding="utf-8") as file:
                found[name] = json.load(file)
    return found


class @EXTENSION@(ScriptedLoadableModule):
    """Describes the module to the application, which does not show it in its menu."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "@EXTENSION@"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = [@PYTHON_CONTRIBUTORS@]
        parent.helpText = _("Pretrained weights that the module ContrastiveSeg can start from.")
        parent.acknowledgementText = ""
        parent.hidden = True


class @EXTENSION@Widget(ScriptedLoadableModuleWidget):
    """Shows the cards as plain text."""

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.text = qt.QLabel()
        self.text.name = "cardsLabel"
        self.text.wordWrap = True
        self.text.textFormat = qt.Qt.PlainText
        self.text.text = "\\n\\n".join(self.paragraph(card) for card in cards().values())
        self.layout.addWidget(self.text)
        self.layout.addStretch(1)

    @staticmethod
    def paragraph(card):
        return _(
            "{name} {version}: {modality}, {anatomy}. Pretrained with {method} on {sources}. "
            "Licence: {licence}."
        ).format(
            sources=", ".join(one["name"] for one in card["training_data"]) or _("data not named"),
            **{key: card[key] for key in ("name", "version", "modality", "anatomy", "method", "licence")},
        )


class @EXTENSION@Test(ScriptedLoadableModuleTest):
    """Every card belongs to a complete file of weights."""

    def runTest(self):
        self.assertTrue(cards())
        for name, card in cards().items():
            path = os.path.join(modelsFolder(), name.replace(".card.json", ".safetensors"))
            with open(path, "rb") as file:
                self.assertEqual(hashlib.sha256(file.read()).hexdigest(), card["sha256"], name)
'''

README = """\
# @EXTENSION@

@PLAIN_DESCRIPTION@

![Icon](@EXTENSION@.png)

The extension is data: it has one hidden module, `@EXTENSION@`, which holds the files of the weights and
their cards. The module [ContrastiveSeg](https://github.com/ContrastiveSeg/SlicerContrastiveSeg) offers them
in its list *Start from* once both extensions are installed.

| weights | version | images | trained on | licence | size |
| --- | --- | --- | --- | --- | --- |
@TABLE@

## Installing

Open the *Extensions Manager* of 3D Slicer and install `@EXTENSION@`, or press *Get more weights...* in the
module ContrastiveSeg. On a computer without network: *Install from file...* in the Extensions Manager.

## Use

1. Open the module *ContrastiveSeg* and choose a volume and a segmentation.
2. Choose the weights in the list *Start from*.
3. Paint a few slices and press *Start*.

Sample data: any volume of the module *Sample Data* that shows what the weights were trained on.

## Licence and citation

See [LICENSE](LICENSE). Cite the data sets in the table above and ContrastiveSeg.
"""

LICENCE = """\
Licences of @EXTENSION@
=======================

The files of weights in @EXTENSION@/Resources/Models are licensed one by one:

@LICENCES@

The scripts and build files around them may be used under the Apache License, Version 2.0:
https://www.apache.org/licenses/LICENSE-2.0
@FURTHER@"""


def filled(template: str, **values: str) -> str:
    """A template with its ``@NAME@`` replaced; what is put in is not searched again.

    Raises:
        KeyError: A name has no value.
    """
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], template)


def cmake_text(text: str) -> str:
    """A text as one quoted argument of CMake: one line, without lists, variables or ends of quotes."""
    line = " ".join(text.replace(";", ",").split())
    return '"' + re.sub(r'([\\"$])', r"\\\1", line) + '"'
