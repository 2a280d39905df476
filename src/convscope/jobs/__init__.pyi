from .job import Document as Document
from .job import Job as Job
from .job import run as run
from .registry import JOBS as JOBS
from .workspace import Artifact as Artifact
from .workspace import ResultFolder as ResultFolder
from .workspace import Workspace as Workspace
