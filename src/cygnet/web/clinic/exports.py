"""placeholder"""
from fastapi import APIRouter
from cygnet.web.clinic.common import CLINICIAN
router = APIRouter(dependencies=[CLINICIAN])
