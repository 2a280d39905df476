from .engine import GtpEngine as GtpEngine
from .protocol import Command as Command
from .protocol import GtpError as GtpError
from .protocol import parse_command as parse_command
