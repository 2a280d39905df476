from .job import Document as Document
from .job import Job as Job
from .job import run as run
from .output.workspace import Artifact as Artifact
from .output.workspace import ResultFolder as ResultFolder
from .output.workspace import Workspace as Workspace
from .registry import JOBS as JOBS
